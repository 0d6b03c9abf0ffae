/* Product of two square matrices of doubles; the argument is their size. */
#include <stdio.h>
#include <stdlib.h>

int main(int argc, char **argv) {
  int n = argc > 1 ? atoi(argv[1]) : 1024;
  size_t cells = (size_t)n * n;
  double *a = malloc(cells * sizeof *a), *b = malloc(cells * sizeof *b), *c = calloc(cells, sizeof *c);
  if (!a || !b || !c) return perror("malloc"), 1;
  for (size_t i = 0; i < cells; i++) a[i] = (int)(i % 7) - 3, b[i] = (int)(i % 5) - 2;
  for (int i = 0; i < n; i++) {
    for (int k = 0; k < n; k++) {
      double x = a[(size_t)i * n + k];
      for (int j = 0; j < n; j++) c[(size_t)i * n + j] += x * b[(size_t)k * n + j];
    }
  }
  double sum = 0;
  for (size_t i = 0; i < cells; i++) sum += c[i] * (i % 3);
  return printf("%.0f\n", sum) < 0;
}
