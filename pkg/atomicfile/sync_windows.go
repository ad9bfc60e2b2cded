package atomicfile

// syncDir does nothing: Windows has no way to sync a folder, and its renames are journalled by NTFS.
func syncDir(string) error { return nil }
