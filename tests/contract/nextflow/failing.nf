nextflow.enable.dsl = 2

process GOOD {
    publishDir 'results', mode: 'copy'
    input:
    path text
    output:
    path 'good.txt'
    script:
    """
    cp -L $text good.txt
    """
}

process BAD {
    input:
    path text
    output:
    path 'never.txt'
    script:
    """
    cat $text
    echo "no such luck" >&2
    exit 3
    """
}

workflow {
    GOOD(file("$launchDir/input.txt"))
    BAD(GOOD.out)
}
