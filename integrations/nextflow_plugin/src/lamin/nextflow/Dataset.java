package lamin.nextflow;

/** A file, folder or object that a run read or wrote; without a digest its content is unknown. */
final class Dataset {
    final DatasetName name;
    final Digest content;
    final String role;

    Dataset(DatasetName name, Digest content, String role) {
        this.name = name;
        this.content = content;
        this.role = role;
    }
}
