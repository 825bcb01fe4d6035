nextflow.enable.dsl = 2

params.x = 1

process PLOT {
    publishDir 'results', mode: 'copy'
    input:
    val x
    output:
    path 'plot.txt'
    script:
    """
    echo plot $x > plot.txt
    """
}

process KEPT {
    publishDir 'results', mode: 'copy', overwrite: false
    input:
    val x
    output:
    path 'kept.txt'
    script:
    """
    echo kept $x > kept.txt
    """
}

process FOLDER {
    publishDir 'results', mode: 'copy'
    input:
    val x
    output:
    path 'folder'
    script:
    """
    mkdir folder
    echo folder $x > folder/a.txt
    """
}

process LINKED {
    publishDir 'results'
    input:
    val x
    output:
    path 'linked.txt'
    script:
    """
    echo linked $x > linked.txt
    """
}

process EACH {
    maxForks 1 // two copies to one name at the same moment cannot be told apart, see docs/nextflow.md
    publishDir 'results', mode: 'copy'
    input:
    val name
    output:
    path 'each.txt'
    script:
    """
    echo $name > each.txt
    """
}

workflow {
    PLOT(params.x)
    KEPT(params.x)
    FOLDER(params.x)
    LINKED(params.x)
    EACH(Channel.of('a', 'b', 'c'))
}
