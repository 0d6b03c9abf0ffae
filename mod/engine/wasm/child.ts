/** The module process as the executable's entry sees it; it loads nothing of the product. */
export { runChild } from '../../../runtime/wasi/child.ts';
