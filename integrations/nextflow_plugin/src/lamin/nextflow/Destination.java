package lamin.nextflow;

import java.nio.charset.StandardCharsets;

/** Where events go: a name that is the same in every process, and the sink; without a sink they wait in the spool. */
final class Destination {
    final String key;
    final Sink sink;
    /** The folder that events wait for which have no destination; null for all others. */
    final String origin;

    private Destination(String key, Sink sink, String origin) {
        this.key = key;
        this.sink = sink;
        this.origin = origin;
    }

    static Destination endpoint(String address, Sink sink) {
        return new Destination(key(address), sink, null);
    }

    /** A backend of openlineage-python's configuration. */
    static Destination transport(String description, Sink sink) {
        return new Destination("to-" + key("transport " + description), sink, null);
    }

    /** The instance in this folder, or whatever instance there will be: Java writes into no database. */
    static Destination registry(SpoolFolder spool) {
        if (spool.instance != null) return new Destination(key("instance " + spool.instance), null, null);
        String here = System.getProperty("user.dir");
        return new Destination(key("nowhere " + here), null, here);
    }

    /** The short name in the names of segments: openlineage/lamin/emit/spool.py, `key_of`. */
    static String key(String name) {
        return Blake2b.hex(name.getBytes(StandardCharsets.UTF_8), 4);
    }
}
