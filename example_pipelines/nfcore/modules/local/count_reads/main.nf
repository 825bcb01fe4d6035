process COUNT_READS {
    tag "$meta.id"
    label 'process_low'

    input:
    tuple val(meta), path(reads)

    output:
    tuple val(meta), path("*.count.tsv"), emit: counts
    path "versions.yml"                 , emit: versions

    script:
    def prefix = task.ext.prefix ?: "${meta.id}"
    """
    printf '%s\\t%s\\t%s\\n' "${meta.id}" "${meta.condition}" \$(gzip -cd $reads | awk 'NR % 4 == 2' | wc -l) > ${prefix}.count.tsv
    printf '"%s":\\n    awk: 1\\n' "${task.process}" > versions.yml
    """
}
