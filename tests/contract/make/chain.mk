c.txt: private STEP = third
c.txt: b.txt
	cat b.txt > $@ && echo third >> $@

b.txt: private STEP = second
b.txt: a.txt
	cat a.txt > $@ && echo second >> $@

a.txt: private STEP = first
a.txt: input.txt
	tr a-z A-Z < input.txt > $@ && echo first >> $@
