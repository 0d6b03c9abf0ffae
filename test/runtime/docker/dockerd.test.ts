/** The client against a real dockerd. */
import { dockerd, dockerMissing } from '../../support/docker.ts';
import { engineSuite } from './engine_suite.ts';

const engine = await dockerd();
if (!engine) console.log(dockerMissing());
engineSuite('dockerd', engine, { podman: false, megabytes: 10 });
