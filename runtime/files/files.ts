/**
 * The few file operations that the product needs, as one object, so that a test or a simulation can hand in files that
 * fail, or that never settle after a crash. The real ones are {@link ContainedFiles}.
 */

/** The file operations that rooms behind the seam of simulation need. */
export interface Files {
  /** Makes a folder and its parents, readable by this user only; fine when it exists. */
  makeFolder(path: string): Promise<void>;
  /** Removes a file or a folder with all below it; fine when it is absent. Links are removed, not followed. */
  remove(path: string): Promise<void>;
  /** Names in a folder, sorted; none when it is absent. */
  names(path: string): Promise<readonly string[]>;
  /**
   * Bytes that a file, or all files below a folder, take on the disk; 0 when it is absent, `Infinity` where folders are nested
   * too deeply to be looked through. Links are not followed.
   */
  usage(path: string): Promise<number>;
  /** Writes under a temporary name, syncs and renames: after a crash there is the whole file or the one before. */
  write(path: string, data: Uint8Array | string): Promise<void>;
  /** Copies a file over whatever file is there; nothing when there is none to copy. */
  copy(from: string, to: string): Promise<void>;
  /** Syncs a file, or a folder with all below it, to the disk. Links are not followed. */
  sync(path: string): Promise<void>;
  /** Free bytes on the file system that holds `path`. */
  free(path: string): Promise<number>;
}
