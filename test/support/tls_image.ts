/** An image of busybox with this machine's openssl, for programs that speak TLS. */
import { execFileSync } from 'node:child_process';
import { readFileSync } from 'node:fs';
import type { TestDocker } from './docker.ts';
import { busyboxTar } from './docker_image.ts';

const NAME = 'bacalhau-test/openssl';
const PROGRAM = '/usr/bin/openssl';

/** @param files more of them: path → content */
export async function tlsImage(
  docker: TestDocker,
  files: Readonly<Record<string, string>> = {},
): Promise<string> {
  const libraries = execFileSync('ldd', [PROGRAM], { encoding: 'utf8' }).match(/\/\S+/g) ?? [];
  const copied = [...libraries, PROGRAM].map((path) => [path.slice(1), readFileSync(path)] as const);
  await docker.docker.images.import(busyboxTar({ ...Object.fromEntries(copied), ...files }), {
    repo: NAME,
    tag: 'latest',
    changes: ['ENV PATH=/bin:/usr/bin', 'CMD ["/bin/sh"]'],
  });
  return `${NAME}:latest`;
}
