#!/usr/bin/env nextflow
// A small pipeline in the structure of nf-core: modules, a sub-workflow that reads the samplesheet, publishDir
// settings in conf/modules.config, a report over all samples. Nothing in it knows of lineage:
//     lamin nextflow run example_pipelines/nfcore -profile test --outdir results
//     lamin import example_pipelines/nfcore/assets/samplesheet.csv
nextflow.enable.dsl = 2

include { READCOUNT } from './workflows/readcount'

workflow NFCORE_READCOUNT {
    READCOUNT(file(params.input, checkIfExists: true))
}

workflow {
    NFCORE_READCOUNT()
}
