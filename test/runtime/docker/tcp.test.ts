/** An engine over tcp, with certificates on both sides. */
import { spawnSync } from 'node:child_process';
import { writeFile } from 'node:fs/promises';
import { type AddressInfo, createServer } from 'node:net';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { connectDocker } from '../../../runtime/docker/mod.ts';
import { dockerd, dockerMissing, privateDockerd } from '../../support/docker.ts';
import { temporaryFolder } from '../../support/program.ts';

const engine = await dockerd();
if (!engine) console.log(dockerMissing());

describe.skipIf(!engine || engine.pid === 0)('tcp', () => {
  it('speaks TLS with certificates of both sides, and to no one else', async () => {
    await using folder = await temporaryFolder();
    const at = (name: string) => join(folder.path, name);
    await makeCertificates(folder.path);
    const port = await freePort();
    await using secure = await privateDockerd([
      '--iptables=false',
      ...['--host', `tcp://127.0.0.1:${port}`, '--tlsverify'],
      ...['--tlscacert', at('ca.pem'), '--tlscert', at('server-cert.pem'), '--tlskey', at('server-key.pem')],
    ]);
    const DOCKER_HOST = `tcp://127.0.0.1:${port}`;

    const docker = await connectDocker({
      env: { DOCKER_HOST, DOCKER_TLS_VERIFY: '1', DOCKER_CERT_PATH: folder.path },
    });
    expect((await docker.info()).ID).toBe((await secure.docker.info()).ID);
    const { Id } = await docker.containers.create({
      Image: await secure.image(),
      Cmd: ['cat'],
      OpenStdin: true,
      StdinOnce: true,
      HostConfig: { NetworkMode: 'none' },
    });
    const attached = await docker.containers.attach(Id, {
      stdin: true,
      stdout: true,
      stderr: true,
      stream: true,
    });
    await docker.containers.start(Id);
    await attached.write(new TextEncoder().encode('over tls'));
    attached.endInput();
    let output = '';
    for await (const { bytes } of attached) output += new TextDecoder().decode(bytes);
    expect(output).toBe('over tls');
    docker.close();

    // Without certificates, where the engine's authority is not known, and without TLS.
    const refusals = [
      { DOCKER_HOST, DOCKER_TLS_VERIFY: '1', DOCKER_CONFIG: '/nonexistent' },
      { DOCKER_HOST },
    ];
    for (const env of refusals) {
      const other = await connectDocker({ env });
      await expect(other.ping(), JSON.stringify(env)).rejects.toMatchObject({ name: 'DockerError' });
      other.close();
    }
    // Unless told not to verify.
    const trusting = await connectDocker({ env: { DOCKER_HOST, DOCKER_CERT_PATH: folder.path } });
    await trusting.ping();
    trusting.close();
  });
});

/** An authority, and a certificate of it for server and client, under the names that Docker wants. */
async function makeCertificates(folder: string): Promise<void> {
  const openssl = (...args: string[]) => {
    const { status, stderr } = spawnSync('openssl', args, { cwd: folder, encoding: 'utf8' });
    if (status !== 0) throw new Error(stderr);
  };
  const key = ['-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:prime256v1', '-nodes'];
  openssl('req', '-x509', ...key, '-keyout', 'ca-key.pem', '-out', 'ca.pem', '-subj', '/CN=ca', '-days', '2');
  for (const [prefix, usage] of [['server-', 'serverAuth'], ['', 'clientAuth']]) {
    await writeFile(join(folder, 'ext'), `subjectAltName=IP:127.0.0.1\nextendedKeyUsage=${usage}\n`);
    openssl('req', ...key, '-keyout', `${prefix}key.pem`, '-out', 'csr', '-subj', `/CN=${usage}`);
    openssl(
      ...['x509', '-req', '-in', 'csr', '-CA', 'ca.pem', '-CAkey', 'ca-key.pem', '-CAcreateserial'],
      ...['-out', `${prefix}cert.pem`, '-days', '2', '-extfile', 'ext'],
    );
  }
}

async function freePort(): Promise<number> {
  const server = createServer();
  await new Promise<void>((listening) => server.listen(0, '127.0.0.1', listening));
  const { port } = server.address() as AddressInfo;
  await new Promise((closed) => server.close(closed));
  return port;
}
