// The samplesheet as a channel of [meta, reads]; paths in it are relative to it.
workflow INPUT_CHECK {
    take:
    samplesheet

    main:
    reads = Channel.of(samplesheet).splitCsv(header: true).map { row ->
        def meta = [id: row.sample, condition: row.condition]
        [meta, file("${samplesheet.parent}/${row.fastq_1}", checkIfExists: true)]
    }

    emit:
    reads
}
