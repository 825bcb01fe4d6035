process INNER {
    tag "${meta.id}"
    input:
    tuple val(meta), path(reads)
    output:
    tuple val(meta), path('inner.txt')
    script:
    """
    cat $reads > inner.txt
    """
}

workflow NESTED {
    take:
    samples
    main:
    INNER(samples)
    emit:
    INNER.out
}
