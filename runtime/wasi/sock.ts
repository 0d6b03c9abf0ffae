/** WASI preview 1: `sock_*`. A guest is given no sockets, and has no way to make one. */
import { Errno, WasiError } from './errno.ts';
import type { Family } from './host.ts';

export const sock: Family = ({ descriptors }) => {
  const refuse = (fd: number): never => {
    const { kind } = descriptors.get(fd);
    // As wasmtime has it: a directory is no descriptor for what works on streams.
    throw new WasiError(kind === 'directory' ? Errno.badf : Errno.notsock);
  };
  return { sock_accept: refuse, sock_recv: refuse, sock_send: refuse, sock_shutdown: refuse };
};
