module ullage.test/targets

go 1.19
