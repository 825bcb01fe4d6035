nextflow.enable.dsl = 2

params.alpha = 3
params.label = 'x y'

process TELL {
    publishDir 'results', mode: 'copy'
    output:
    path 'told.txt'
    script:
    """
    echo "$params.alpha $params.label" > told.txt
    """
}

workflow {
    TELL()
}
