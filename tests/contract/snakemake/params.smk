rule tell:
    output: "told.txt"
    params:
        alpha=3,
        label="x y",
    shell: "echo {params.alpha} {params.label:q} > {output}"
