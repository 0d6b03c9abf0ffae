/** A node that opens one HTTP network and waits to be killed: arguments as JSON in, network mode out. */
import process from 'node:process';
import { HttpNetworks } from '../../../../mod/engine/docker/http_network/mod.ts';
import { connectDocker } from '../../../../runtime/docker/mod.ts';
import { realWorld } from '../../../../runtime/world.ts';

const { host, directory, installId, run } = JSON.parse(process.argv[2]!);
const docker = await connectDocker({ host, env: {} });
const networks = new HttpNetworks(docker, { world: realWorld, directory, installId });
const { networkMode } = await networks.open(run, new AbortController().signal);
process.stdout.write(`${networkMode}\n`);
process.stdin.resume();
