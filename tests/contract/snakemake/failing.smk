rule bad:
    input: "good.txt"
    output: "bad.txt"
    log: "bad.log"
    shell: "(echo no such luck >&2; exit 3) 2>&1 | tee {log} >&2"

rule good:
    input: "input.txt"
    output: "good.txt"
    shell: "cp {input} {output}"
