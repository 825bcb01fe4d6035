// Two tasks that take long, and if asked one that fails meanwhile.
nextflow.enable.dsl = 2

params.bad = false

process SLOW {
    tag "$seconds"
    beforeScript 'echo the own beforeScript'
    input:
    val seconds
    output:
    path 'slow.txt'
    script:
    """
    sleep $seconds
    touch slow.txt
    """
}

process BAD {
    input:
    val x
    script:
    """
    sleep 2
    echo "first line" >&2
    echo "no such luck" >&2
    exit 4
    """
}

workflow {
    // Nextflow runs as many local tasks as there are processors: with one that fails, one that is slow is enough.
    SLOW(params.bad ? Channel.of(100) : Channel.of(100, 101))
    if (params.bad) {
        BAD(1)
    }
}
