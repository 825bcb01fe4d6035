nextflow.enable.dsl = 2

process SPLIT {
    publishDir 'results', mode: 'copy'
    input:
    path text
    output:
    path 'part_*.txt'
    script:
    '''
    i=0
    while read -r line; do i=$((i+1)); echo "$line" > part_$i.txt; done < input.txt
    '''
}

process WORK {
    tag "$part"
    publishDir 'results', mode: 'copy'
    input:
    path part
    output:
    path 'done_*.txt'
    script:
    """
    tr a-z A-Z < $part > ${part.name.replace('part', 'done')}
    """
}

process GATHER {
    publishDir 'results', mode: 'copy'
    input:
    path parts
    output:
    path 'all.txt'
    script:
    """
    cat $parts > all.txt
    """
}

workflow {
    SPLIT(file("$launchDir/input.txt"))
    WORK(SPLIT.out.flatten())
    GATHER(WORK.out.collect())
}
