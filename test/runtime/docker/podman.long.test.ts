/** The same client against podman's Docker compatible socket. */
import { afterAll } from 'vitest';
import { podman } from '../../support/podman.ts';
import { engineSuite } from './engine_suite.ts';

const engine = await podman((line) => console.log(line));
afterAll(async () => await engine?.[Symbol.asyncDispose]());
engineSuite('podman', engine, { podman: true, megabytes: 100 });
