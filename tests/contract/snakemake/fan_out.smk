PARTS = [1, 2, 3]

rule gather:
    input: expand("done_{part}.txt", part=PARTS)
    output: "all.txt"
    shell: "cat {input} > {output}"

rule work:
    input: "part_{part}.txt"
    output: "done_{part}.txt"
    shell: "tr a-z A-Z < {input} > {output}"

rule split:
    input: "input.txt"
    output: expand("part_{part}.txt", part=PARTS)
    run:
        with open(input[0]) as lines:
            for name, line in zip(output, lines):
                with open(name, "w") as part:
                    part.write(line)
