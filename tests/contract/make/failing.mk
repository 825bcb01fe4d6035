bad.txt: private STEP = bad
bad.txt: good.txt
	echo no such luck >&2
	exit 3

good.txt: private STEP = good
good.txt: input.txt
	cp input.txt $@
