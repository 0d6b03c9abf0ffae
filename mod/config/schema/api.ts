/** `API.*` (config.md 7). */
import {
  choice,
  duration,
  flag,
  ignored,
  int,
  list,
  methods,
  refused,
  SECOND,
  size,
  text,
  users,
} from '../key.ts';

const serverTls = refused('TLS of the API');
const clientTls = ignored('trust settings of the client');
const signIn = refused('users and tokens');
const webPage = ignored('the web page');

export const API = {
  Host: text(
    '0.0.0.0',
    'Address on which a node listens, and the server that clients talk to (host, IP or http(s) URL).',
  ),
  Port: int(1234, 'Port of the API. 0 takes a free one.', { max: 65535 }),
  TLS: {
    CertFile: text('', "File with the server's certificate; needs KeyFile.", serverTls),
    KeyFile: text('', "File with the server's private key; needs CertFile.", serverTls),
    CAFile: text('', 'Client: file with a certificate authority to trust.', clientTls),
    UseTLS: flag(false, 'Client: use https.'),
    Insecure: flag(false, "Client: do not verify the server's certificate.", { ...clientTls, always: true }),
    SelfSigned: flag(false, 'Server: make a self-signed certificate.', serverTls),
    AutoCert: text('', 'Server: domain for which to get a certificate by ACME.', serverTls),
    AutoCertCachePath: text(
      '',
      'Server: folder in which ACME certificates are kept.',
      ignored('TLS of the API'),
    ),
  },
  Auth: {
    Methods: methods(
      { ClientKey: { Type: 'challenge' } },
      'Older ways to sign in: name to type and policy.',
      signIn,
    ),
    AccessPolicyPath: text('', 'Older way to authorise: file or folder with a policy.', signIn),
    Users: users([], 'Users with their credentials and capabilities.', signIn),
    Oauth2: {
      ProviderID: text('', 'Identifier of the OAuth 2.0 provider; switches single sign-on on.', signIn),
      ProviderName: text('', 'Name of the provider as people see it.', signIn),
      TokenEndpoint: text('', "The provider's token endpoint.", signIn),
      DeviceAuthorizationEndpoint: text('', 'Where the device flow starts.', signIn),
      DeviceClientID: text('', 'Client id for the device flow.', signIn),
      JWKSUri: text('', "URL of the provider's signing keys.", signIn),
      Issuer: text('', 'Issuer that tokens must name.', signIn),
      Audience: text('', 'Audience that tokens must name.', signIn),
      Scopes: list([], 'Scopes to ask for.', signIn),
      PollingInterval: int(
        0,
        'Seconds between two questions during the device flow; 0 = as the provider says.',
        ignored('users and tokens'),
      ),
    },
  },
  Limits: {
    MaxBodySize: size(10_000_000, 'Largest request body. (Not in 1.9)', { min: 1024 }),
    RequestsPerSecond: int(
      1000,
      'Requests per second and client address, this machine excepted. 0 = no limit. (Not in 1.9)',
    ),
    HandlerTimeout: duration(
      30 * SECOND,
      'Time until a request that is not answered gets 503. (Not in 1.9)',
      { min: 1 },
    ),
    TrustedProxies: list([], 'Addresses whose X-Forwarded-For header is believed. (Not in 1.9)'),
  },
};

export const WebUI = {
  Enabled: flag(false, 'Serve the web page.', webPage),
  Listen: text('0.0.0.0:8438', 'Address and port of the web page.', webPage),
  Backend: text('', "API that the web page uses; empty = the node's own.", webPage),
};

export const Logging = {
  Level: choice(
    ['trace', 'debug', 'info', 'warn', 'error', 'fatal', 'panic'],
    'info',
    'Least level of what the program says of itself.',
    { env: ['LOG_LEVEL'] },
  ),
  Mode: choice(
    ['default', 'json', 'cmd'],
    'default',
    'Form of log lines: for people, JSON, or the message only.',
  ),
  LogDebugInfoInterval: duration(
    30 * SECOND,
    'How often running executions are logged at debug level; 0 = never.',
    ignored('regular logging of executions'),
  ),
};
