parts := part_1.txt part_2.txt part_3.txt
done := $(parts:part_%=done_%)

all.txt: private STEP = gather
all.txt: $(done)
	cat $^ > $@

$(done): private STEP = work
$(done): done_%.txt: part_%.txt
	tr a-z A-Z < $< > $@

$(parts): private STEP = split
$(parts): private OUTPUTS = $(parts)
$(parts) &: input.txt
	awk '{ print > ("part_" NR ".txt") }' input.txt
