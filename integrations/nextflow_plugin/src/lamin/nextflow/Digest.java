package lamin.nextflow;

/** What some bytes are: hash type, hash in hex, size; of folders the number of files. Without a hash only the size is known. */
final class Digest {
    final String type;
    final String hash;
    final Long size;
    final Integer files;

    Digest(String type, String hash, Long size, Integer files) {
        this.type = type;
        this.hash = hash;
        this.size = size;
        this.files = files;
    }

    static Digest ofSize(long size) {
        return new Digest(null, null, size, null);
    }
}
