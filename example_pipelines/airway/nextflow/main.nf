// Gene counts of RNA-seq samples -> log2 counts per million, one file per sample, and the size of each library.
//
//     nextflow run main.nf --input FOLDER --outdir FOLDER
//
// What it shows: a fan-out over samples (CLEAN, NORMALIZE), a step that collects them (LIBRARY_SIZES), a shared input
// (the gene names), and files published by copy. Bash and awk only: no container, no package.
//
// `--input` holds samples.csv, genes.csv.gz and counts/<sample>.tsv.gz.

params.input = "${projectDir}/../data"
params.outdir = 'results'

// Name the genes, and drop those that the present annotation no longer knows.
process CLEAN {
    tag "${sample}"

    input:
    tuple val(sample), path(counts)
    path genes

    output:
    tuple val(sample), path("${sample}.clean.tsv.gz")

    script:
    """
    set -o pipefail
    awk 'BEGIN { OFS = "\\t"; print "gene_id", "symbol", "count" }
         NR == FNR { symbol[\$1] = \$2; next }
         FNR > 1 && \$1 in symbol { print \$1, symbol[\$1], \$2 }' \\
        FS=, <(gzip -dc ${genes}) FS='\\t' <(gzip -dc ${counts}) | gzip -n > ${sample}.clean.tsv.gz
    """
}

// Counts per million of the library, on the log2 scale: log2((count + 0.5) / (library size + 1) * 10^6), as voom has it.
process NORMALIZE {
    tag "${sample}"
    publishDir "${params.outdir}/normalized", mode: 'copy'

    input:
    tuple val(sample), path(clean)

    output:
    path "${sample}.logcpm.tsv.gz"

    script:
    """
    set -o pipefail
    gzip -dc ${clean} > clean.tsv
    awk -F '\\t' 'BEGIN { OFS = "\\t"; print "gene_id", "symbol", "logcpm" }
         FNR == 1 { next }
         NR == FNR { size += \$3; next }
         { printf "%s\\t%s\\t%.4f\\n", \$1, \$2, log((\$3 + 0.5) / (size + 1) * 1e6) / log(2) }' \\
        clean.tsv clean.tsv | gzip -n > ${sample}.logcpm.tsv.gz
    """
}

// Quality control over all samples: reads in genes, and how many genes have at least one.
process LIBRARY_SIZES {
    publishDir "${params.outdir}/qc", mode: 'copy'

    input:
    path cleaned

    output:
    path 'library_sizes.csv'

    script:
    """
    set -o pipefail
    echo sample,reads,genes > library_sizes.csv
    for file in *.clean.tsv.gz; do
        gzip -dc \$file | awk -F '\\t' -v sample=\${file%.clean.tsv.gz} \\
            'NR > 1 { reads += \$3; genes += (\$3 > 0) } END { printf "%s,%d,%d\\n", sample, reads, genes }'
    done | sort >> library_sizes.csv
    """
}

workflow {
    samples = channel
        .fromPath("${params.input}/samples.csv")
        .splitCsv(header: true)
        .map { row -> tuple(row.sample, file("${params.input}/counts/${row.sample}.tsv.gz", checkIfExists: true)) }

    CLEAN(samples, file("${params.input}/genes.csv.gz", checkIfExists: true))
    NORMALIZE(CLEAN.out)
    LIBRARY_SIZES(CLEAN.out.map { sample, clean -> clean }.collect(sort: { it.name }))
}
