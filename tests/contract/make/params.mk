told.txt: private STEP = tell
told.txt: private PARAMS = alpha label
told.txt: private alpha = 3
told.txt: private label = x y
told.txt:
	echo $(alpha) "$(label)" > $@
