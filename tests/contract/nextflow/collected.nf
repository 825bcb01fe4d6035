// collectFile: of files into one that a task reads, of files by their names, of text, and by the name that a closure gives; tasks that say whose they are.
nextflow.enable.dsl = 2

process MAKE {
    input:
    val x
    output:
    path 'part.txt', emit: part
    path "${x}.log", emit: log
    stdout emit: said
    script:
    """
    echo $x \$OPENLINEAGE_PARENT_ID | tee part.txt
    echo made $x > ${x}.log
    """
}

process READ {
    publishDir 'results', mode: 'copy'
    input:
    path all
    output:
    path 'read.txt'
    script:
    """
    wc -l < $all > read.txt
    """
}

workflow {
    MAKE(Channel.of('a', 'b'))
    READ(MAKE.out.part.collectFile(name: 'all.txt', storeDir: 'results'))
    MAKE.out.log.collectFile(storeDir: 'logs')
    MAKE.out.said.collectFile(name: 'said.txt', storeDir: 'results')
    MAKE.out.log.collectFile(storeDir: 'grouped') { file -> ["${file.baseName}.grouped", file.text] }
}
