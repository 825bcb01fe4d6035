package lamin.nextflow;

import java.io.File;
import java.io.IOException;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import org.eclipse.jgit.dircache.DirCache;
import org.eclipse.jgit.errors.ConfigInvalidException;
import org.eclipse.jgit.storage.file.FileBasedConfig;
import org.eclipse.jgit.util.FS;

/** A file that git tracks, in a repository with a remote. Files of the repository are read, no git is started. */
final class GitFile {
    /** The address of the remote {@code origin}. */
    final String remote;
    /** Where the file is in the repository. */
    final String path;

    private GitFile(String remote, String path) {
        this.remote = remote;
        this.path = path;
    }

    /** Null for a file that git does not track, and without a remote. */
    static GitFile of(Path file) throws IOException, ConfigInvalidException {
        Path real = file.toRealPath();
        for (Path top = real.getParent(); top != null; top = top.getParent()) {
            if (Files.exists(top.resolve(".git"))) return in(top, real);
        }
        return null;
    }

    private static GitFile in(Path top, Path file) throws IOException, ConfigInvalidException {
        Path folder = linked(top, top.resolve(".git"), "gitdir: ");
        String path = top.relativize(file).toString().replace(File.separatorChar, '/');
        if (DirCache.read(folder.resolve("index").toFile(), FS.DETECTED).findEntry(path) < 0) return null;
        FileBasedConfig config = new FileBasedConfig(linked(folder, folder.resolve("commondir"), "").resolve("config").toFile(), FS.DETECTED);
        config.load();
        String remote = config.getString("remote", "origin", "url");
        return remote == null ? null : new GitFile(remote, path);
    }

    /** The folder that a file of a linked work tree names; the base itself, or the folder, where there is no such file. */
    private static Path linked(Path base, Path entry, String prefix) throws IOException {
        if (Files.isDirectory(entry)) return entry;
        if (!Files.exists(entry)) return base;
        String named = new String(Files.readAllBytes(entry), StandardCharsets.UTF_8).trim();
        return base.resolve(named.substring(prefix.length())).normalize();
    }
}
