// What a task finds in its environment.
nextflow.enable.dsl = 2

process LOOK {
    publishDir 'results', mode: 'copy'
    beforeScript 'export OWN="it is mine"'
    output:
    path 'seen.txt'
    script:
    '''
    echo "$OPENLINEAGE_PARENT_ID" > seen.txt
    echo "$LAMIN_INITIATED_BY_RUN_UID" >> seen.txt
    echo "$OWN" >> seen.txt
    '''
}

workflow {
    LOOK()
}
