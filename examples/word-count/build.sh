#!/bin/sh
# Builds word-count.wasm beside its source, or at the path given, the same bytes every time.
# Debian 12: apt-get install clang lld wasi-libc libclang-rt-14-dev-wasm32
set -eu
here=$(cd "$(dirname "$0")" && pwd)
cd "$here"
exec clang --target=wasm32-wasi --sysroot=/usr -I/usr/include/wasm32-wasi -L/usr/lib/wasm32-wasi \
  -Oz -Wall -Wextra -Werror -ffile-prefix-map="$here"=. -Wl,--strip-all -lc-printscan-no-floating-point \
  -o "${1:-word-count.wasm}" word-count.c
