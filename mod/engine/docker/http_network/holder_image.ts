/**
 * The image of the container that holds the network namespace of a run: one static program of 180 bytes that waits for
 * SIGTERM or SIGINT. Made here and imported, so nothing is pulled. As process 1 it gets no signal that it does not
 * handle; blocking the two and waiting for them is the shortest way to be polite.
 */
import { createHash } from 'node:crypto';
import tar from 'tar-stream';
import { type ContainerCreate, type Docker, DockerError } from '../../../../runtime/docker/mod.ts';

const HOLDER_PROGRAM = '/bacalhau-holder';

interface Machine {
  /** `e_machine` of the ELF header. */
  readonly elf: number;
  readonly code: string;
}

const MACHINES: Readonly<Record<string, Machine>> = {
  amd64: {
    elf: 62,
    code: [
      'b802400000', //   mov  $0x4002, %eax       1<<(SIGINT-1) | 1<<(SIGTERM-1)
      '50', //           push %rax
      '31ff', //         xor  %edi, %edi          SIG_BLOCK
      '4889e6', //       mov  %rsp, %rsi
      '31d2', //         xor  %edx, %edx
      '41ba08000000', // mov  $8, %r10d
      'b80e000000', //   mov  $14, %eax           rt_sigprocmask
      '0f05', //         syscall
      '4889e7', //    1: mov  %rsp, %rdi
      '31f6', //         xor  %esi, %esi
      '31d2', //         xor  %edx, %edx
      '41ba08000000', // mov  $8, %r10d
      'b880000000', //   mov  $128, %eax          rt_sigtimedwait, without an end
      '0f05', //         syscall
      '85c0', //         test %eax, %eax
      '78e8', //         js   1b                  EINTR
      '31ff', //         xor  %edi, %edi
      'b8e7000000', //   mov  $231, %eax          exit_group
      '0f05', //         syscall
    ].join(''),
  },
  arm64: {
    elf: 183,
    code: [
      '400088d2', //    mov  x0, #0x4002
      'e00f1ff8', //    str  x0, [sp, #-16]!
      '000080d2', //    mov  x0, #0               SIG_BLOCK
      'e1030091', //    mov  x1, sp
      '020080d2', //    mov  x2, #0
      '030180d2', //    mov  x3, #8
      'e81080d2', //    mov  x8, #135             rt_sigprocmask
      '010000d4', //    svc  #0
      'e0030091', // 1: mov  x0, sp
      '010080d2', //    mov  x1, #0
      '020080d2', //    mov  x2, #0
      '030180d2', //    mov  x3, #8
      '281180d2', //    mov  x8, #137             rt_sigtimedwait
      '010000d4', //    svc  #0
      '40ffff37', //    tbnz w0, #31, 1b
      '000080d2', //    mov  x0, #0
      'c80b80d2', //    mov  x8, #94              exit_group
      '010000d4', //    svc  #0
    ].join(''),
  },
};

/** Docker's names of the processors for which there is a holder. */
export const HOLDER_ARCHITECTURES: readonly string[] = Object.keys(MACHINES);

/** A static ELF executable: header, one loaded segment (the whole file), code. */
export function holderProgram(architecture: string): Uint8Array {
  const machine = MACHINES[architecture];
  if (!machine) throw new RangeError(`Cannot make a holder for "${architecture}": no such machine code`);
  const code = Buffer.from(machine.code, 'hex');
  const start = 120;
  const base = 0x400000n;
  const elf = Buffer.alloc(start + code.length);
  const size = BigInt(elf.length);
  elf.set([0x7f, 0x45, 0x4c, 0x46, 2, 1, 1]); // 64 bits, little-endian, version 1
  elf.writeUInt16LE(2, 16); // executable
  elf.writeUInt16LE(machine.elf, 18);
  elf.writeUInt32LE(1, 20);
  elf.writeBigUInt64LE(base + BigInt(start), 24); // entry
  elf.writeBigUInt64LE(64n, 32); // program header
  elf.writeUInt16LE(64, 52); // sizes of the two headers
  elf.writeUInt16LE(56, 54);
  elf.writeUInt16LE(1, 56);
  elf.writeUInt32LE(1, 64); // load …
  elf.writeUInt32LE(5, 68); // … readable and executable
  elf.writeBigUInt64LE(base, 80);
  elf.writeBigUInt64LE(base, 88);
  elf.writeBigUInt64LE(size, 96);
  elf.writeBigUInt64LE(size, 104);
  elf.writeBigUInt64LE(0x10000n, 112); // pages of up to 64 KiB
  elf.set(code, start);
  return elf;
}

const REPO = 'bacalhau/network-holder';

/** Name under which the image is imported; it changes with the program. */
export function holderImage(architecture: string): string {
  const digest = createHash('sha256').update(holderProgram(architecture)).digest('hex');
  return `${REPO}:${digest.slice(0, 12)}`;
}

/**
 * Makes a container of the image, which is made when the engine does not have it.
 * @returns its id
 * @throws DockerError; RangeError on a processor without a holder
 */
export async function createFromHolder(
  docker: Docker,
  config: Omit<ContainerCreate, 'Image'>,
  name?: string,
  signal?: AbortSignal,
): Promise<string> {
  const { Arch } = await docker.version();
  const create = () =>
    docker.containers.create(
      { ...config, Image: holderImage(Arch) },
      name === undefined ? {} : { name },
      signal,
    );
  try {
    return (await create()).Id;
  } catch (error) {
    if (!(error instanceof DockerError) || !MISSING.includes(error.code)) throw error;
  }
  await importHolder(docker, Arch);
  return (await create()).Id;
}

const MISSING: readonly string[] = ['ImageNotFound', 'NotFound'];

async function importHolder(docker: Docker, architecture: string): Promise<void> {
  const pack = tar.pack();
  pack.entry({ name: HOLDER_PROGRAM.slice(1), mode: 0o755 }, Buffer.from(holderProgram(architecture)));
  pack.finalize();
  await docker.images.import(Buffer.concat(await Array.fromAsync(pack as AsyncIterable<Uint8Array>)), {
    repo: REPO,
    tag: holderImage(architecture).slice(REPO.length + 1),
    changes: [`ENTRYPOINT ["${HOLDER_PROGRAM}"]`],
  });
}
