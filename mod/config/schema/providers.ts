/** `InputSources`, `Publishers`, `Engines`, `ResultDownloaders` (config.md 10). */
import { Docker } from './docker.ts';
import { duration, flag, HOUR, ignored, int, list, MINUTE, SECOND, size, text } from '../key.ts';

const ipfs = ignored('IPFS');
const s3 = ignored('S3');
const client = ignored('other ways to fetch results');

export const InputSources = {
  Disabled: list([], 'Types of inputs that this node does not offer, in any letter case.'),
  ReadTimeout: duration(5 * MINUTE, 'Time for one request for an input.', { min: 1 }),
  MaxRetryCount: int(3, 'Further attempts to fetch an input.'),
  Types: {
    IPFS: { Endpoint: text('', 'IPFS node for inputs, e.g. /ip4/127.0.0.1/tcp/5001.', ipfs) },
  },
};

export const Publishers = {
  Disabled: list([], 'Types of publishers that this node does not offer, in any letter case.'),
  Types: {
    IPFS: { Endpoint: text('', 'IPFS node for results.', ipfs) },
    S3: {
      PreSignedURLDisabled: flag(false, 'Do not turn results in S3 into signed URLs.', s3),
      PreSignedURLExpiration: duration(0, 'How long a signed URL is valid; 0 = 15 minutes.', s3),
    },
    S3Managed: {
      Bucket: text('', 'Bucket that the orchestrator holds for results.', s3),
      Key: text('', 'Prefix of the keys in that bucket.', s3),
      Region: text('', 'Region of that bucket.', s3),
      Endpoint: text('', 'S3 endpoint of that bucket.', s3),
      PreSignedURLExpiration: duration(HOUR, 'How long a signed URL is valid.', s3),
    },
    Local: {
      Address: text('127.0.0.1', 'Host in the URLs of results that this node serves itself.'),
      Port: int(6001, 'Port on which this node serves results. 0 takes a free one.', { max: 65535 }),
    },
  },
};

export const Engines = {
  Disabled: list([], 'Engines that this node does not offer, in any letter case.'),
  Types: {
    Docker,
    Noop: {
      Enabled: flag(false, 'Offer the engine that runs nothing, for tests of a network. (Not in 1.9)'),
    },
    WASM: {
      MemoryLimit: size(512 * 1024 ** 2, 'Memory of a module whose job asks for none. (Not in 1.9)', {
        min: 65536,
      }),
      MaxOpenFiles: int(
        1024,
        'Files and directories that a module may have open at once. (Not in 1.9)',
        { min: 16 },
      ),
      MaxFileSize: size(
        8 * 1024 ** 3,
        'Largest file that a module may write; 0 = no limit. (Not in 1.9)',
      ),
      MaxCPUTime: duration(
        0,
        'Processor time that a module may use, on Linux; 0 = no limit but its time-outs. (Not in 1.9)',
      ),
      HTTP: {
        Timeout: duration(
          30 * SECOND,
          'Time for one HTTP request of a module, with its redirects. (Not in 1.9)',
          { min: 1 },
        ),
        MaxResponse: size(100 * 1024 ** 2, 'Most of an answer that a module is given. (Not in 1.9)', {
          min: 65536,
        }),
        BytesPerSecond: size(
          12_500_000,
          'Bytes per second, both directions together, of a module with an HTTP network; 0 = no limit. (Not in 1.9)',
        ),
        PrivateHosts: flag(
          true,
          'Modules with the networks Default, Host and Full reach private addresses and this machine, too. (Not in 1.9)',
        ),
      },
      Pool: {
        Size: int(1, 'Processes that are kept ready for modules. (Not in 1.9)'),
        OneShot: flag(false, 'Give every module a process of its own that ends with it. (Not in 1.9)'),
      },
    },
  },
};

export const ResultDownloaders = {
  Disabled: list([], 'Client: ways of fetching results that are not used.', client),
  MaxSize: size(
    0,
    'Client: largest results that `job get` writes, unpacked; 0 = as much as the disk has free. (Not in 1.9)',
  ),
  Timeout: duration(0, 'Client: time for fetching results; 0 = what the command says.', client),
  Types: {
    IPFS: { Endpoint: text('', 'Client: IPFS node for fetching results.', ipfs) },
  },
};
