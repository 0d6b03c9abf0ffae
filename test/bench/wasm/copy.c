/* Copies the file of the first argument to the second one, 64 KB at a time, as a simple program does. */
#include <fcntl.h>
#include <stdio.h>
#include <unistd.h>

static char buffer[1 << 16];

int main(int argc, char **argv) {
  if (argc < 3) return fputs("usage: copy FROM TO\n", stderr), 2;
  int in = open(argv[1], O_RDONLY), out = open(argv[2], O_WRONLY | O_CREAT | O_TRUNC, 0644);
  if (in < 0 || out < 0) return perror("open"), 1;
  ssize_t count;
  while ((count = read(in, buffer, sizeof buffer)) > 0) {
    for (ssize_t done = 0; done < count;) {
      ssize_t written = write(out, buffer + done, count - done);
      if (written < 0) return perror("write"), 1;
      done += written;
    }
  }
  return count < 0 ? (perror("read"), 1) : puts("copied") < 0;
}
