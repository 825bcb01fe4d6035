rule third:
    input: "b.txt"
    output: "c.txt"
    shell: "cat {input} > {output} && echo third >> {output}"

rule second:
    input: "a.txt"
    output: "b.txt"
    shell: "cat {input} > {output} && echo second >> {output}"

rule first:
    input: "input.txt"
    output: "a.txt"
    shell: "tr a-z A-Z < {input} > {output} && echo first >> {output}"
