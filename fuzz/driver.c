/* Replays inputs through a fuzz target without libFuzzer: each argument is a file or a directory of
 * files (not descended into). Crashes are failures; running is success. So every compiler and every
 * ctest run checks what fuzzing once found. */
#include "fuzz/fuzz.h"

#include "base/file.h"

#include <dirent.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static int replay_file(const char *path, size_t *count) {
    struct err err = ERR_INIT;
    struct buf content = BUF_INIT(FUZZ_INPUT_BYTES_MAX);
    if (file_read_all(path, &content, &err) != ERR_NONE) {
        fprintf(stderr, "%s: %s\n", path, err.message);
        buf_release(&content);
        return EXIT_FAILURE;
    }
    /* Memory of exactly its size, so that AddressSanitizer sees a read beyond. */
    size_t len = content.len;
    uint8_t *exact = mem_alloc(len > 0 ? len : 1);
    if (len > 0) {
        memcpy(exact, content.data, len);
    }
    buf_release(&content);
    (void)LLVMFuzzerTestOneInput(exact, len); /* always 0 */
    mem_free(exact);
    *count += 1;
    return EXIT_SUCCESS;
}

static int replay_directory(DIR *directory, const char *path, size_t *count) {
    int status = EXIT_SUCCESS;
    const struct dirent *entry = NULL;
    while ((entry = readdir(directory)) != NULL) {
        if (entry->d_name[0] == '.') {
            continue;
        }
        char *file = file_join(path, entry->d_name);
        if (replay_file(file, count) != EXIT_SUCCESS) {
            status = EXIT_FAILURE;
        }
        mem_free(file);
    }
    return status;
}

int main(int argc, char **argv) {
    int status = EXIT_SUCCESS;
    size_t count = 0;
    for (int i = 1; i < argc; i++) {
        DIR *directory = opendir(argv[i]);
        int result = directory != NULL ? replay_directory(directory, argv[i], &count)
                                       : replay_file(argv[i], &count);
        if (directory != NULL) {
            (void)closedir(directory); /* it was only read */
        }
        status = result != EXIT_SUCCESS ? result : status;
    }
    printf("%zu inputs replayed\n", count);
    if (count == 0) {
        fprintf(stderr, "usage: %s FILE-OR-DIRECTORY...: nothing to replay\n", argv[0]);
        return EXIT_FAILURE;
    }
    return status;
}
