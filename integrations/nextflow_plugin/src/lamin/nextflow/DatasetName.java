package lamin.nextflow;

import java.nio.file.FileSystems;
import java.nio.file.Path;
import java.nio.file.Paths;
import java.util.Map;
import java.util.Objects;
import java.util.Set;
import nextflow.extension.FilesEx;

/** Where a file lives, as OpenLineage writes it: the rules of openlineage/lamin/naming.py. */
final class DatasetName {
    private static final Set<String> BUCKET_SCHEMES = Set.of("s3", "gs", "gcs", "s3a", "s3n", "hf");
    private static final Set<String> CONTAINER_SCHEMES = Set.of("abfs", "abfss", "wasb", "wasbs", "adl");
    private static final Set<String> LOGIN_SCHEMES = Set.of("ssh", "sftp", "scp", "hdfs", "git+ssh");
    private static final Map<String, String> ALIASES = Map.of("s3a", "s3", "s3n", "s3", "gcs", "gs");

    final String namespace;
    final String name;

    private DatasetName(String namespace, String name) {
        this.namespace = namespace;
        this.name = name;
    }

    /** The name of a local path (links kept, not followed) or of an object of any file system that Nextflow knows. */
    static DatasetName of(Path path) {
        if (isLocal(path)) return new DatasetName("file", normal(path).toString());
        return ofUrl(FilesEx.toUriString(path));
    }

    static DatasetName ofUrl(String url) {
        int colon = url.indexOf("://");
        if (colon < 0 || url.startsWith("file://")) {
            return new DatasetName("file", normal(Paths.get(colon < 0 ? url : url.substring(7))).toString());
        }
        String scheme = url.substring(0, colon);
        boolean bucket = BUCKET_SCHEMES.contains(scheme);
        String rest = url.substring(colon + 3);
        if (bucket && rest.startsWith("/")) rest = rest.substring(1); // s3:///bucket/key, as some versions spell it
        int slash = rest.indexOf('/');
        String host = withoutUser(scheme, slash < 0 ? rest : rest.substring(0, slash));
        String path = slash < 0 ? "" : rest.substring(slash).split("[?#]", 2)[0];
        return new DatasetName(ALIASES.getOrDefault(scheme, scheme) + "://" + host, bucket ? path.replaceFirst("^/+", "") : path);
    }

    /** Credentials are no part of a name; a container, or the login whose home paths begin in, is: see lamin_core/runtime/url_credentials.py. */
    private static String withoutUser(String scheme, String authority) {
        int at = authority.lastIndexOf('@');
        if (at < 0) return authority;
        String user = authority.substring(0, at);
        String login = user.split(":", 2)[0];
        boolean stays = CONTAINER_SCHEMES.contains(scheme) || LOGIN_SCHEMES.contains(scheme) && login.equals(user);
        return stays ? login + authority.substring(at) : authority.substring(at + 1);
    }

    static boolean isLocal(Path path) {
        return path.getFileSystem().equals(FileSystems.getDefault());
    }

    static Path normal(Path path) {
        return path.toAbsolutePath().normalize();
    }

    /** The last part of the name. */
    String fileName() {
        return name.substring(name.lastIndexOf('/') + 1);
    }

    @Override
    public boolean equals(Object other) {
        return other instanceof DatasetName && ((DatasetName) other).namespace.equals(namespace)
            && ((DatasetName) other).name.equals(name);
    }

    @Override
    public int hashCode() {
        return Objects.hash(namespace, name);
    }
}
