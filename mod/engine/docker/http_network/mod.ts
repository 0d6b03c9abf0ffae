/** HTTP networks of containers. */
export { type HttpNetwork, type HttpNetworkOptions, HttpNetworks } from './http_networks.ts';
