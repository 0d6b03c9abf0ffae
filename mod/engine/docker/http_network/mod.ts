/** HTTP networks of containers. */
export {
  type HttpNetwork,
  type HttpNetworkOptions,
  type HttpNetworkRun,
  HttpNetworks,
} from './http_networks.ts';
