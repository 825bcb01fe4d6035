// Odd but legal: names with blanks, quotes and accents, an output that is a link handed on, native code, a module under
// another name, a storeDir, collectFile, stdout, an input made from a string, a file renamed, moved, or published twice.
nextflow.enable.dsl = 2

params.outDir = 'results'
params.apiToken = 'hunter2'
params.ratio = 0.5
params.nothing = null
params.nested = [names: ['a', 'b'], password: 'hunter2']

include { NESTED as RENAMED } from './modules/nested.nf'

process ODD {
    publishDir "${params.outDir}/a", mode: 'copy', saveAs: { name -> name.endsWith('.txt') ? "renamed/$name" : null }
    publishDir "${params.outDir}/b", mode: 'link'
    input:
    path 'staged_?.tab'
    output:
    path 'x (1) "é" b.txt', emit: odd
    path 'maybe.txt', optional: true, emit: maybe
    script:
    """
    cat staged_*.tab > 'x (1) "é" b.txt'
    """
}

process STORED {
    storeDir 'store'
    input:
    val x
    output:
    path "${x}.ref"
    script:
    """
    echo $x > ${x}.ref
    """
}

process COUNT {
    input:
    path ref
    path odd
    output:
    stdout
    script:
    """
    cat $ref "$odd" | wc -l
    """
}

process FROM_TEXT {
    input:
    path 'made.txt'
    output:
    path 'copy.txt'
    script:
    """
    cp made.txt copy.txt
    """
}

process HANDED_ON {
    input:
    path table
    output:
    path table
    script:
    """
    true
    """
}

process READER {
    publishDir "${params.outDir}/moved", mode: 'move'
    input:
    path table
    output:
    path 'read.txt'
    path 'folder', type: 'dir'
    script:
    """
    cat $table > read.txt
    mkdir folder && cp -L $table folder/one && echo two > folder/two
    """
}

process NATIVE {
    input:
    val x
    output:
    val y
    exec:
    y = x + 1
}

workflow {
    ODD(Channel.fromPath("$projectDir/data/*.fq").collect())
    STORED(Channel.of('human', 'mouse'))
    COUNT(STORED.out, ODD.out.odd.first())
    COUNT.out.collectFile(name: 'counts.txt', storeDir: params.outDir)
    FROM_TEXT(Channel.of('made from a string').collectFile(name: 'from_text'))
    HANDED_ON(file("$projectDir/data/table.txt"))
    READER(HANDED_ON.out)
    NATIVE(1)
    RENAMED(Channel.of([[id: 's1', single: true], file("$projectDir/data/s1.fq")]))
}
