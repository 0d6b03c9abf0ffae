/** A root file system with busybox-static: /bin/busybox, its links, users, a world-writable /tmp. */
import { spawnSync } from 'node:child_process';
import { readFileSync } from 'node:fs';
import type { Readable } from 'node:stream';
import { pack } from 'tar-stream';

const BUSYBOX = '/bin/busybox';
const PASSWD = 'root:x:0:0:root:/root:/bin/sh\nuser:x:1000:1000:user:/home/user:/bin/sh\n';

/** @param files more files: path → content; executable */
export function busyboxTar(files: Readonly<Record<string, string | Uint8Array>> = {}): Readable {
  const tar = pack();
  const applets = spawnSync(BUSYBOX, ['--list'], { encoding: 'utf8' }).stdout.trim().split('\n');
  for (const name of ['bin', 'etc', 'root']) tar.entry({ name, type: 'directory', mode: 0o755 });
  tar.entry({ name: 'home/user', type: 'directory', mode: 0o755, uid: 1000, gid: 1000 });
  tar.entry({ name: 'tmp', type: 'directory', mode: 0o1777 });
  tar.entry({ name: 'etc/passwd', mode: 0o644 }, PASSWD);
  tar.entry({ name: 'etc/group', mode: 0o644 }, 'root:x:0:\nuser:x:1000:\n');
  tar.entry({ name: 'bin/busybox', mode: 0o755 }, readFileSync(BUSYBOX));
  for (const name of applets.filter((applet) => applet !== 'busybox')) {
    tar.entry({ name: `bin/${name}`, type: 'symlink', linkname: 'busybox' });
  }
  for (const [name, content] of Object.entries(files)) {
    tar.entry({ name, mode: 0o755 }, content as string);
  }
  tar.finalize();
  return tar as unknown as Readable;
}
