/** HTTP networks of containers, and the small image that their holders run. */
export { createFromHolder } from './holder_image.ts';
export { type HttpNetwork, type HttpNetworkOptions, HttpNetworks } from './http_networks.ts';
