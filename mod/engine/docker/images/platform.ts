/** Platforms of images and hosts, in the names of Go, which registries use. */
import type { Docker, Platform } from '../../../../runtime/docker/mod.ts';

const ARCHITECTURES: Readonly<Record<string, string>> = {
  x86_64: 'amd64',
  'x86-64': 'amd64',
  aarch64: 'arm64',
  armhf: 'arm',
  armel: 'arm',
  i386: '386',
  i686: '386',
};

/** `uname -m` of 32-bit ARM hosts, and what people write as one word. */
const ARM_WITH_VARIANT = /^arm(?:v?)([5-8])l?$/;

/** Same platform, same value: `linux/x86_64` becomes `linux/amd64`, `armv7l` becomes `arm/v7`, `arm64/v8` `arm64`. */
export function normalize({ os, architecture, variant = '' }: Platform): Platform {
  const lower = architecture.toLowerCase();
  const arm = ARM_WITH_VARIANT.exec(lower)?.[1];
  const name = arm ? (arm === '8' ? 'arm64' : 'arm') : ARCHITECTURES[lower] ?? lower;
  let level = variant.toLowerCase().replace(/^(?=\d)/, 'v');
  if (arm && arm !== '8') level = `v${arm}`;
  else if (lower === 'armhf') level ||= 'v7';
  else if (lower === 'armel') level ||= 'v6';
  // The first level of an architecture is what its plain name means.
  if ((name === 'arm64' && level === 'v8') || (name === 'amd64' && level === 'v1')) level = '';
  return { os: os.toLowerCase(), architecture: name, ...(level && { variant: level }) };
}

/** Nothing is known: imported images without a platform, attestations (`unknown/unknown`) in an index. */
export function isUnknown({ os, architecture }: Platform): boolean {
  return [os, architecture].some((part) => part === '' || part.toLowerCase() === 'unknown');
}

/** Whether the host runs it natively. A 32-bit ARM host runs older variants, too; a variant not told is no obstacle. */
export function runsOn(image: Platform, host: Platform): boolean {
  const [one, other] = [normalize(image), normalize(host)];
  if (one.os !== other.os || one.architecture !== other.architecture) return false;
  if (one.architecture !== 'arm' || !one.variant || !other.variant) return true;
  return one.variant <= other.variant;
}

/** `linux/arm/v7` */
export function platformText(platform: Platform): string {
  const { os, architecture, variant } = normalize(platform);
  return [os, architecture, ...(variant ? [variant] : [])].join('/');
}

/** Where containers of this engine run; on Docker Desktop that is its virtual machine. */
export async function hostPlatform(docker: Docker): Promise<Platform> {
  const version = await docker.version();
  const engine = version.Components?.find(({ Name }) => /^(Podman )?Engine$/.test(Name))?.Details;
  const platform = normalize({ os: engine?.Os ?? version.Os, architecture: engine?.Arch ?? version.Arch });
  if (platform.architecture !== 'arm') return platform;
  // Only the kernel's name tells which 32-bit ARM it is.
  const { Architecture } = await docker.info();
  return normalize({ os: platform.os, architecture: Architecture });
}
