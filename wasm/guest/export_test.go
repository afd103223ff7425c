package guest

var Detect = detect
