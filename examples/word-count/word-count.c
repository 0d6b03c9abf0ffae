/*
 * word-count INPUT OUTPUT: counts the words of a file, or of every file below a directory.
 *
 * A word is a run of ASCII letters and apostrophes, in lower case. OUTPUT gets one line a word, in the format and order
 * of `sort | uniq -c` with LC_ALL=C; the ten most frequent are printed, most frequent first.
 */
#include <dirent.h>
#include <errno.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#define TOP 10

struct word {
  char *text;
  uint32_t length;
  uint32_t hash;
  uint64_t count;
};

/* Open addressing; the capacity is a power of two. */
static struct word *table;
static size_t capacity, used;

/* Words are never freed, so they lie one behind the other. */
static char *arena;
static size_t arena_left;

static char *current;
static size_t current_length, current_capacity;
static uint32_t current_hash;

static void fail(const char *what, const char *which) {
  fprintf(stderr, "Cannot %s \"%s\": %s\n", what, which, strerror(errno));
  exit(1);
}

static void *must(void *pointer) {
  if (!pointer) {
    fputs("Cannot count the words: out of memory\n", stderr);
    exit(1);
  }
  return pointer;
}

static char *keep(const char *text, size_t length) {
  if (arena_left < length + 1) {
    arena_left = length + 1 > 65536 ? length + 1 : 65536;
    arena = must(malloc(arena_left));
  }
  char *kept = arena;
  memcpy(kept, text, length);
  kept[length] = 0;
  arena += length + 1;
  arena_left -= length + 1;
  return kept;
}

static void grow(void) {
  size_t old_capacity = capacity;
  struct word *old = table;
  capacity = capacity ? capacity * 2 : 4096;
  table = must(calloc(capacity, sizeof *table));
  for (size_t i = 0; i < old_capacity; i++) {
    if (!old[i].text) continue;
    size_t at = old[i].hash & (capacity - 1);
    while (table[at].text) at = (at + 1) & (capacity - 1);
    table[at] = old[i];
  }
  free(old);
}

#define HASH_START 2166136261u

static void end_word(void) {
  if (current_length == 0) return;
  if (used * 2 >= capacity) grow();
  size_t at = current_hash & (capacity - 1);
  for (; table[at].text; at = (at + 1) & (capacity - 1)) {
    struct word *word = &table[at];
    if (word->hash == current_hash && word->length == current_length &&
        memcmp(word->text, current, current_length) == 0) {
      break;
    }
  }
  if (!table[at].text) {
    table[at].text = keep(current, current_length);
    table[at].length = current_length;
    table[at].hash = current_hash;
    used++;
  }
  table[at].count++;
  current_length = 0;
  current_hash = HASH_START;
}

static void count_file(const char *path) {
  static unsigned char buffer[65536];
  FILE *file = fopen(path, "rb");
  if (!file) fail("read", path);
  /* Our buffer is enough. */
  setvbuf(file, NULL, _IONBF, 0);
  current_hash = HASH_START;
  size_t length;
  while ((length = fread(buffer, 1, sizeof buffer, file)) > 0) {
    for (size_t i = 0; i < length; i++) {
      unsigned char c = buffer[i];
      if (c >= 'A' && c <= 'Z') c += 'a' - 'A';
      if (!((c >= 'a' && c <= 'z') || c == '\'')) {
        end_word();
        continue;
      }
      if (current_length == current_capacity) {
        current_capacity = current_capacity ? current_capacity * 2 : 256;
        current = must(realloc(current, current_capacity));
      }
      current[current_length++] = c;
      current_hash = (current_hash ^ c) * 16777619u;
    }
  }
  if (ferror(file)) fail("read", path);
  end_word();
  fclose(file);
}

static void count_path(const char *path) {
  struct stat status;
  if (stat(path, &status) != 0) fail("read", path);
  if (!S_ISDIR(status.st_mode)) {
    count_file(path);
    return;
  }
  DIR *directory = opendir(path);
  if (!directory) fail("read", path);
  struct dirent *entry;
  while ((entry = readdir(directory))) {
    if (strcmp(entry->d_name, ".") == 0 || strcmp(entry->d_name, "..") == 0) continue;
    size_t size = strlen(path) + strlen(entry->d_name) + 2;
    char *child = must(malloc(size));
    strcpy(child, path);
    strcat(child, "/");
    strcat(child, entry->d_name);
    count_path(child);
    free(child);
  }
  closedir(directory);
}

static int by_text(const void *a, const void *b) {
  return strcmp(((const struct word *)a)->text, ((const struct word *)b)->text);
}

static int by_count(const void *a, const void *b) {
  uint64_t left = ((const struct word *)a)->count, right = ((const struct word *)b)->count;
  return left != right ? (left < right ? 1 : -1) : by_text(a, b);
}

int main(int argc, char **argv) {
  if (argc != 3) {
    fputs("usage: word-count INPUT OUTPUT\n", stderr);
    return 2;
  }
  count_path(argv[1]);

  size_t count = 0;
  for (size_t i = 0; i < capacity; i++) {
    if (table[i].text) table[count++] = table[i];
  }
  qsort(table, count, sizeof *table, by_text);
  FILE *output = fopen(argv[2], "wb");
  if (!output) fail("write", argv[2]);
  for (size_t i = 0; i < count; i++) fprintf(output, "%7llu %s\n", (unsigned long long)table[i].count, table[i].text);
  if (fclose(output) != 0) fail("write", argv[2]);

  qsort(table, count, sizeof *table, by_count);
  for (size_t i = 0; i < count && i < TOP; i++) {
    printf("%7llu %s\n", (unsigned long long)table[i].count, table[i].text);
  }
  return 0;
}
