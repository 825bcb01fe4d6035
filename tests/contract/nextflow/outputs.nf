// The workflow output definition (25.04: preview): targets, labels, an index file with sample metadata, a directory; a staged name.
nextflow.preview.output = true

process ALIGN {
    label 'small'
    tag "$id"
    input:
    tuple val(id), path(reads, stageAs: 'in/*')
    output:
    tuple val(id), path("${id}.bam"), path("${id}.bam.bai"), emit: bam
    path "${id}_logs", emit: logs
    script:
    """
    rev $reads > ${id}.bam
    wc -c < ${id}.bam > ${id}.bam.bai
    mkdir ${id}_logs && echo done > ${id}_logs/run.log
    """
}

workflow {
    main:
    reads = Channel.of(['s1', file("$projectDir/data/s1.fq")], ['s2', file("$projectDir/data/s2.fq")])
    ALIGN(reads)
    publish:
    samples = ALIGN.out.bam
    logs = ALIGN.out.logs
}

output {
    samples {
        path { id, bam, bai -> "bam/$id" }
        index {
            path 'samples.csv'
        }
        label 'alignment'
    }
    logs {
        path 'logs'
    }
}
