process TRIM_READS {
    tag "$meta.id"
    label 'process_low'

    input:
    tuple val(meta), path(reads)

    output:
    tuple val(meta), path("*.trimmed.fastq.gz"), emit: reads
    path "versions.yml"                        , emit: versions

    script:
    def args   = task.ext.args ?: ''
    def prefix = task.ext.prefix ?: "${meta.id}"
    """
    gzip -cd $reads | awk $args 'NR % 4 == 1 {head = \$0} NR % 4 == 2 && length(\$0) >= min {print head "\\n" \$0 "\\n+\\n" \$0}' \\
        | gzip -n > ${prefix}.trimmed.fastq.gz
    printf '"%s":\\n    gzip: 1\\n' "${task.process}" > versions.yml
    """
}
