nextflow.enable.dsl = 2

process FIRST {
    publishDir 'results', mode: 'copy'
    input:
    path text
    output:
    path 'a.txt'
    script:
    """
    tr a-z A-Z < $text > a.txt
    echo first >> a.txt
    """
}

process SECOND {
    publishDir 'results', mode: 'copy'
    input:
    path text
    output:
    path 'b.txt'
    script:
    """
    cat $text > b.txt
    echo second >> b.txt
    """
}

process THIRD {
    publishDir 'results', mode: 'copy'
    input:
    path text
    output:
    path 'c.txt'
    script:
    """
    cat $text > c.txt
    echo third >> c.txt
    """
}

workflow {
    FIRST(file("$launchDir/input.txt"))
    SECOND(FIRST.out)
    THIRD(SECOND.out)
}
