/* The least that prints. */
#include <stdio.h>

int main(void) { return puts("hello") < 0; }
