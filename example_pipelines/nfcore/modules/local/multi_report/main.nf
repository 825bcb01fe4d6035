// As MultiQC does: one page over all samples, and its data in a folder.
process MULTI_REPORT {
    label 'process_single'

    input:
    path 'counts/*'
    path 'versions/*.yml'

    output:
    path "*.html"     , emit: report
    path "*_data"     , emit: data
    path "versions.yml", emit: versions

    script:
    def prefix = task.ext.prefix ?: 'report'
    """
    mkdir ${prefix}_data
    cat counts/*.tsv | sort > ${prefix}_data/counts.tsv
    { echo '<table>'; awk '{print "<tr><td>" \$1 "</td><td>" \$3 "</td></tr>"}' ${prefix}_data/counts.tsv; echo '</table>'; } > ${prefix}.html
    cat versions/*.yml | sort -u > versions.yml
    """
}
