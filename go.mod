module gosup

go 1.26
