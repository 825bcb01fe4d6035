include { INPUT_CHECK  } from '../subworkflows/local/input_check'
include { TRIM_READS   } from '../modules/local/trim_reads/main'
include { COUNT_READS  } from '../modules/local/count_reads/main'
include { MULTI_REPORT } from '../modules/local/multi_report/main'

workflow READCOUNT {
    take:
    samplesheet

    main:
    INPUT_CHECK(samplesheet)
    TRIM_READS(INPUT_CHECK.out.reads)
    COUNT_READS(TRIM_READS.out.reads)
    MULTI_REPORT(
        COUNT_READS.out.counts.map { meta, counts -> counts }.collect(),
        TRIM_READS.out.versions.mix(COUNT_READS.out.versions).collect()
    )

    emit:
    report = MULTI_REPORT.out.report
}
